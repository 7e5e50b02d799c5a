"""From edits to a diff that applies: the gate, the diff, clean trees, and the check of what comes out."""
