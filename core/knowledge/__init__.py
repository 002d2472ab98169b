"""The knowledge base: its values, its files, its checks."""
