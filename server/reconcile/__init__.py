"""Compare the reports with each other: in `gamehub-graph reconcile`, and on a schedule inside the server."""
