"""Check the built site: every link inside leads somewhere, and nothing is loaded from elsewhere.

    python -m docs.tools.check_site

Links to other sites are listed in ``build/external.txt``; nothing is asked of them.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"


class Page(HTMLParser):
    """The anchors of a page, what it links to, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "__top"}
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names and what it points to."""
        named = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := named.get(key))}
        if tag == "a" and (link := named.get("href")):
            self.links.append(link)
        is_loaded = tag == "link" and named.get("rel") in ("stylesheet", "icon", "preconnect")
        if source := named.get("href") if is_loaded else named.get("src"):
            self.loaded.append(source)


def check() -> tuple[list[str], set[str]]:
    """Return what is wrong, a line each, and the links to other sites."""
    pages = {file.resolve(): Page(file.read_text("utf-8")) for file in SITE.rglob("*.html")}
    wrong, external = [], set()
    for file, page in pages.items():
        if file.name == "404.html":  # its links are relative to the root of the server
            continue
        name = file.relative_to(SITE.resolve())
        wrong += [f"{name} loads {source}" for source in page.loaded if urlsplit(source).netloc]
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                external.add(link)
                continue
            place = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            place = place / "index.html" if place.is_dir() else place
            if not place.is_file():
                wrong.append(f"{name} links to {link}, where nothing is")
            elif place in pages and unquote(parts.fragment) not in pages[place].anchors:
                wrong.append(f"{name} links to {link}, which has no such anchor")
    return wrong, external


if __name__ == "__main__":
    wrong, external = check()
    (ROOT / "build" / "external.txt").write_text("\n".join(sorted(external)) + "\n", "utf-8")
    print(f"{len(wrong)} broken links, {len(external)} links to other sites in build/external.txt")
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(bool(wrong))
