"""What the site's pages need besides Markdown: files of the repository's root, nothing from outside."""

import re
from pathlib import Path


def on_page_markdown(markdown: str, page, config, **_: object) -> str:
    """Put a file in the place of a line ``--8<-- "FILE"``, and of ``FILE:PART`` what is between its comments ``PART``.

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


def on_page_content(html: str, **_: object) -> str:
    """Leave out what notebooks would fetch diagrams with: there are none."""
    return re.sub(r'<script type="module">(?:(?!</script>).)*mermaid.*?</script>', "", html, flags=re.DOTALL)
