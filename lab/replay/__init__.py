"""Replays policies over recorded answers: the cost and quality that routing would have had."""
