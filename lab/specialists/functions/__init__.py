"""Functions with JSON schemas, and utterances that call them, from public sets of intents."""
