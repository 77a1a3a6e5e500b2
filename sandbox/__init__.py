"""Both upstream systems, served for real over HTTP from an embedded database. Imports no other room."""
