"""How settings are read: one base class, the types of values, and the sentences of errors."""
