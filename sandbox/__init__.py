"""Both upstream systems, served over HTTP from an embedded database. This package imports no other room."""
