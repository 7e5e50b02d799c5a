"""A run of more columns and tokens than any server shows: only what can be seen of it is in the page.

How long the page computes at once for it is a figure of `python -m tests.services.arena.browser.figures`.
"""

from playwright.sync_api import expect

from tests.services.arena.browser.flood import COLUMNS, TOKENS, flood


def test_of_many_columns_of_many_tokens_only_the_lines_that_can_be_seen_are_in_the_page(live, open_page):
    shown = open_page(live.url, "saved")
    shown.locator("main h2").wait_for()
    flood(shown, live.http)
    lines = shown.locator(".token-line")
    assert 0 < lines.count() < 1000
    told = shown.locator(".column footer").get_by_text(f"{TOKENS:,} tokens")
    expect(told).to_have_count(COLUMNS)
