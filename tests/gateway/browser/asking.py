"""What tests do with the page: ask, read the answers, and script what the gateway answers."""

import json
from typing import Any

NICHE = {"domain": "tools", "model": "big", "confidence": 0.874, "reason": "low_confidence"}
COSTS = {"cost": 6.8e-7, "baseline_cost": 1.36e-6, "currency": "USD"}
USAGE = {"prompt_tokens": 24, "completion_tokens": 9}


def ask(page: Any, text: str) -> None:
    """Writes a question, or a result, and sends it."""
    page.locator("#prompt").fill(text)
    page.get_by_role("button", name="Ask", exact=True).click()


def answers(page: Any) -> list[str]:
    """The texts of all answers, once the last has ended."""
    page.wait_for_function("() => !document.querySelector('.answer [aria-busy]')")
    texts: list[str] = page.locator(".answer .body > .said").all_inner_texts()
    return texts


def script(page: Any, *deltas: dict[str, Any], end: str = "stop") -> list[dict[str, Any]]:
    """Has each chat answered with these deltas; the list fills with what is asked."""
    asked: list[dict[str, Any]] = []
    choices: list[dict[str, Any]] = [{"delta": delta} for delta in deltas]
    choices.append({"delta": {}, "finish_reason": end})
    events: list[dict[str, Any]] = [{"choices": [{"index": 0, **choice}]} for choice in choices]
    events[0]["niche"] = NICHE
    events.append({"choices": [], "usage": USAGE, "niche": NICHE | COSTS})
    said = "".join(f"data: {json.dumps(event)}\n\n" for event in events)

    def answer(route: Any) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(content_type="text/event-stream", body=f"{said}data: [DONE]\n\n")

    page.route("**/v1/chat/completions", answer)
    return asked
