"""Models behind one protocol, on Ray Serve. Knows no routing and speaks no HTTP to clients.

"Deployments" here are Ray Serve deployments; Kubernetes objects live in `helm/`. This module stays
a docstring only: `router` imports `deployments.protocol`, and importing that runs this file.
"""
