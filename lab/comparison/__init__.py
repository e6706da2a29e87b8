"""The routed stack against its alternatives, prompt by prompt, over HTTP: `niche compare`."""
