"""Checks built pages: ``python docs/building/checking.py build/docs/html``.

Every link inside leads to a file and an anchor that exist, and no page loads anything from afar.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"img": "src", "script": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
"""Tags whose address is loaded when the page is opened; so is a link of a style sheet, an icon or a font."""

WEB = ("http", "https", "mailto", "data")


@dataclass
class Page(HTMLParser):
    """The anchors of a page, the links in it, and what it loads, with line numbers."""

    anchors: set[str] = field(default_factory=set)
    links: list[tuple[int, str]] = field(default_factory=list)
    loaded: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what one tag names, links to and loads."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        line = self.getpos()[0]
        if tag == "a" and "href" in given:
            self.links.append((line, given["href"]))
        address = given.get(LOADED.get(tag, ""), "")
        if tag == "link" and given.get("rel") not in ("canonical", "author", "license"):
            address = given.get("href", "")
        if address:
            self.loaded.append((line, address))


def read(path: Path) -> Page:
    """The page in a file."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def faults(folder: Path) -> Iterator[str]:
    """One line for each dead link, missing anchor and address on the web that a page loads."""
    pages = {path.resolve(): read(path) for path in sorted(folder.rglob("*.html"))}
    for path, page in pages.items():
        where = path.relative_to(folder.resolve())
        for line, address in page.loaded:
            if urlsplit(address).scheme in ("http", "https") or address.startswith("//"):
                yield f"{where}:{line}: loads {address}"
        for line, address in (*page.links, *page.loaded):
            parts = urlsplit(address)
            if parts.scheme in WEB or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{where}:{line}: {address} leads to no file"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{where}:{line}: {address} leads to no anchor"


def main() -> None:
    """Print every fault; exit code 1 if there is one, or if there is no page."""
    folder = Path(sys.argv[1])
    found = list(faults(folder))
    count = len(list(folder.rglob("*.html")))
    print("\n".join(found) or f"{count} pages: no dead link or anchor inside, nothing loaded from afar")
    sys.exit(bool(found) or not count)


if __name__ == "__main__":
    main()
