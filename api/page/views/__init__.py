"""One module for each page: asks the API, renders its template."""
