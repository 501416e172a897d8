"""docs/reporting.md lists the items that the program judges, in their order and with who asks for them."""

import re
from pathlib import Path

from y90voxel.case.reporting_items import REPORTING_ITEMS, ReportingSource

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "reporting.md").read_text(encoding="utf-8")
SHORT = {
    ReportingSource.EANM_2024: "EANM 2024",
    ReportingSource.MPPG_14A: "MPPG 14.a",
    ReportingSource.ARTICLE_56: "article 56",
    ReportingSource.UNREAD: "from memory",
}


def test_the_page_lists_every_item_with_its_source():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE)[1:]
    assert rows == [(item.name, SHORT[item.source]) for item in REPORTING_ITEMS]
