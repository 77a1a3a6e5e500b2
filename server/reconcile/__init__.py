"""Reports compared with each other: by the command `gamehub-graph reconcile`, and on a schedule inside the server."""
