"""The door in front of the gateway's replicas: how Ray Serve's HAProxy starts, answers and is stood
in for. Rule: the standard library alone, since this starts with every reload, without packages."""
