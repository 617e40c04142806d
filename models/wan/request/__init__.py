"""The input of a Wan job: schema, validation, defaults, and how an image is fitted to the frame.

Free of torch: the API imports it.
"""
