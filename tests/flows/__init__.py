"""Flows: everything real but the platforms, which are fakes; a package, so that its fixtures end with it."""
