"""Documents that clients name by an id: registered, learned, and in the manifests of client compilers."""
