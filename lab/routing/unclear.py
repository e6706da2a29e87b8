"""Rows of general sources that may also belong to a niche: neither label would be right.

Rule: such rows are excluded by intent, subject or name, never by a router's output.
"""

import re

CLINC_INTENTS = frozenset(
    {
        # The functions of `tools` cover them fully or partly.
        *("weather", "play_music", "update_playlist", "next_song", "what_song"),
        *("restaurant_reservation", "accept_reservations", "cancel_reservation"),
        *("confirm_reservation", "restaurant_suggestion", "restaurant_reviews"),
        # Follow-ups: without context they have no domain.
        *("yes", "no", "maybe", "repeat", "cancel"),
        # Bank customers ask these too.
        *("exchange_rate", "travel_notification", "direct_deposit"),
        # Arithmetic, partly word problems.
        "calculator",
    }
)

CLINC_DOMAINS = frozenset({"banking", "credit_cards"})
"""Bank customers ask these, and `support` has no intent for most of them."""

BANK_INTENTS = frozenset(
    {
        *("report_lost_card", "card_declined", "replacement_card_duration", "expiration_date"),
        *("pin_change", "report_fraud", "international_fees"),
    }
)
"""CLINC150's intents that intents of `support` cover: their label is clear."""

BITEXT_INTENTS = re.compile(
    r"account|password|registration|refund|payment|fee|address|delivery", re.IGNORECASE
)
"""Questions of both shop and bank customers: BANKING77 has deliveries of cards, too."""

SLURP_INTENTS = re.compile(
    r"music|play_|radio|podcasts|game|recommendation|takeaway|locations|movies|currency|maths"
)
"""Similar to the functions of `tools`, the intents of `support`, or the problems of `math`."""

MMLU_SUBJECTS = frozenset({"elementary_mathematics", "high_school_mathematics"})
"""They include word problems."""

REQUESTS = frozenset(
    {
        *("seed_task_45", "seed_task_83", "seed_task_109", "seed_task_136"),
        *("user_oriented_task_149", "104", "112", "113", "115", "119"),
    }
)
"""Word problems among the instructions of Self-Instruct and MT-Bench, by their ids."""

ALPACA_OPENINGS = (
    "Marie is at the music store",
    "Mick pays his teacher",
    "Marley has $20 left",
    "Navina has $30 more",
    "In this math problem",
    "A man has a rather old car",
    "Suppose I have 12 eggs",
    "cost of fuel for a 14 mile journey",
    "if it takes 8 hours to fly",
)
"""Word problems of AlpacaEval."""
