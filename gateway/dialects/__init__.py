"""The API as clients speak it: schemas, parsing, rendering."""
