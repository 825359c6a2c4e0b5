"""A table to sort and search in any browser, without kernel or network; its page needs the script of `scripts`."""

from collections.abc import Sequence

import itables
import pandas as pd
from itables.javascript import generate_init_offline_itables_html

CSS = """
.dt-container { font-size: 12px; }
table.dataTable { width: 100% !important; }
table.dataTable th { white-space: normal; vertical-align: bottom; }
table.dataTable td { vertical-align: top; overflow-wrap: break-word; }
table.dataTable th.dt-left, table.dataTable td.dt-left { text-align: left; }
table.dataTable th .dtcc { flex: none; margin-left: 6px; }
.pielab-text { min-width: 26em; max-width: 48em; cursor: pointer; overflow: hidden;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 4; }
.pielab-text:focus { display: block; outline: none; }
"""
CHOOSE_VALUES = {"extend": "dropdown", "icon": "search", "content": ["searchList"]}
# The cells that itables passes are escaped already; only this wrapping is HTML.
WRAP_TEXT = itables.JavascriptFunction(
    "function (data, type) { return type === 'display'"
    " ? '<div class=\"pielab-text\" tabindex=\"0\">' + data + '</div>' : data; }"
)


def as_html(table: pd.DataFrame, left: Sequence[str], choose: Sequence[str]) -> str:
    """The HTML of a table, in which all cells are escaped; texts are shown in four lines until they are clicked.

    Texts are in columns whose last word is "text". left: the columns to align on the left. choose: those whose values
    can be chosen from a list. Names that the table lacks are passed over.
    """
    place = {name: table.columns.get_loc(name) for name in {*left, *choose} & set(table)}
    texts = [name for name in table if name.split()[-1:] == ["text"]]
    wrapped = [{"targets": table.columns.get_loc(name), "render": WRAP_TEXT} for name in texts]
    return itables.to_html_datatable(
        table,
        connected=False,
        display_logo_when_loading=False,
        maxBytes=0,
        showIndex=False,
        classes="display compact",
        css=CSS,
        pageLength=10,
        scrollX=True,
        layout={"topEnd": {"search": {"placeholder": "any word"}}},
        columnDefs=[
            *wrapped,
            {"targets": [place[name] for name in left if name in place], "className": "dt-left"},
            {"targets": [place[name] for name in choose if name in place], "columnControl": [CHOOSE_VALUES]},
        ],
    )


def one_line(texts: Sequence[str], limit: int | None = None) -> list[str]:
    """Texts without line breaks, cut after a number of characters."""
    lines = [" ".join(text.split()) for text in texts]
    return [line if not limit or len(line) <= limit else f"{line[:limit]} …" for line in lines]


def scripts() -> str:
    """The HTML that a page of such tables needs once, 1 MB."""
    return generate_init_offline_itables_html(itables.options.dt_bundle)
