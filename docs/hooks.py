"""Pages that include a file of the repository's root, so that a thing is written once."""

import re
from pathlib import Path


def on_page_markdown(markdown: str, page, config, **_: object) -> str:
    """Put a file in the place of a line ``--8<-- "FILE"``, or what stands between its comments ``PART``, of ``FILE:PART``.

    Its links start at the root; those of a page of the site start at the page.
    """
    root = Path(config.config_file_path).parent
    up = "../" * page.file.src_uri.count("/")

    def included(line: re.Match[str]) -> str:
        name, _, part = line[1].partition(":")
        text = (root / name).read_text(encoding="utf-8")
        if part:
            text = text.split(f"<!-- {part} -->")[1].split(f"<!-- /{part} -->")[0]
        return text.replace("](docs/", f"]({up}")

    return re.sub(r'^--8<-- "(.+)"$', included, markdown, flags=re.MULTILINE)
