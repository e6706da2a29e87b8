"""Grafana dashboards, written from here into the chart: `python -m lab.dashboards.files`."""
