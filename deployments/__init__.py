"""Models behind one protocol, on Ray Serve or in the process that asks. Neither routes nor serves
HTTP to clients.

"Deployments" here are Ray Serve deployments; Kubernetes objects are in `helm/`. Keep this module
empty: `router` imports `deployments.protocol`, which runs this file.
"""
