"""Rows of general sources that may be a niche's as well: neither label would be right.

Rule: such rows are left out, by intent, subject or name, and never by what a router says of them.
"""

import re

CLINC_INTENTS = frozenset(
    {
        # The functions of `tools` cover them, wholly or in part.
        *("weather", "play_music", "update_playlist", "next_song", "what_song"),
        *("restaurant_reservation", "accept_reservations", "cancel_reservation"),
        *("confirm_reservation", "restaurant_suggestion", "restaurant_reviews"),
        # Follow-ups: alone they belong nowhere.
        *("yes", "no", "maybe", "repeat", "cancel"),
        # Asked at a bank's counter too.
        *("exchange_rate", "travel_notification", "direct_deposit"),
        # Sums, some of them with a story.
        "calculator",
    }
)

CLINC_DOMAINS = frozenset({"banking", "credit_cards"})
"""A bank's customer says so, and `support` has no intent for most of it."""

BANK_INTENTS = frozenset(
    {
        *("report_lost_card", "card_declined", "replacement_card_duration", "expiration_date"),
        *("pin_change", "report_fraud", "international_fees"),
    }
)
"""CLINC150's intents that intents of `support` cover: these are clear."""

BITEXT_INTENTS = re.compile(
    r"account|password|registration|refund|payment|fee|address|delivery", re.IGNORECASE
)
"""What a shop's customer asks and a bank's as well: BANKING77 has cards delivered, too."""

SLURP_INTENTS = re.compile(
    r"music|play_|radio|podcasts|game|recommendation|takeaway|locations|movies|currency|maths"
)
"""Near the functions of `tools`, the intents of `support`, or the problems of `math`."""

MMLU_SUBJECTS = frozenset({"elementary_mathematics", "high_school_mathematics"})
"""Word problems stand among them."""

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
