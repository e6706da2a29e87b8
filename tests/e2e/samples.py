"""How the shipped specialists answer the sample of their domain."""

BEGINNINGS = {
    "math": "48 - 29 = 19",
    "support": '{"intent": "declined_card_payment"}',
    "sql": "SELECT",
    "tools": '{"name": "PlayMusic"',
    "biomed": '{"chemicals": ["carbamazepine"]',
}
"""By the name of the specialist, which is that of its domain."""
