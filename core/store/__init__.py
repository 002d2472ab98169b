"""The one room of the rules that does I/O: the database and the blobs."""
