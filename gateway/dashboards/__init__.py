"""Grafana dashboards, written from here into the chart: `python -m gateway.dashboards.files`."""
