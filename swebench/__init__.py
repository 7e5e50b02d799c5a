"""Tasks and patches: data sets, bundled tasks, edits → diff, validity, grading.

Knows nothing of models or HTTP.

This package has the import name of the official SWE-bench harness. The official package is therefore never
imported here: where it is needed it lives in an environment of its own and is called as a subprocess.
The command line notices when it has been installed into our environment (`orchestrator/cli/beside.py`).
"""
