"""From somebody's CSV to the report of a study, by commands alone, and what a browser shows of it."""

import os
import subprocess
import sysconfig

import pytest
import yaml
from conftest import install, make_texts, until


@pytest.mark.slow
def test_two_commands_lead_from_a_table_to_a_report(wheel, tmp_path, browser):
    """Of an installed wheel, far from any clone, in a folder that looks a little like one."""
    python, site = install(tmp_path / "environment", wheel)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    project = tmp_path / "mine"
    for name in ("notebooks/02_prune.ipynb", "workflow/Snakefile", "profiles/default/config.yaml"):
        (project / name).parent.mkdir(parents=True)
        (project / name).write_text("mine: [")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["JUPYTER_PATH"] = sysconfig.get_path("data") + "/share/jupyter"  # what pip would install there
    make_texts(400).rename(columns={"text": "body", "label": "stars"}).to_csv(project / "reviews.csv", index=False)

    def pielab(*words):
        command = [python, "-m", "pielab", *words]
        options = {"capture_output": True, "text": True, "check": False, "stdin": subprocess.DEVNULL}
        done = subprocess.run(command, cwd=project, env=environment, **options)
        assert done.returncode == 0, done.stderr[-5000:]
        return done.stdout

    said = pielab("new", "reviews.csv")
    assert "text column: body" in said and "pielab study reviews" in said
    assert len(yaml.safe_load((project / "params/reviews.yaml").read_text())) == 10
    said = pielab("study", "reviews")
    report = project / "results/reviews/report/index.html"
    assert said.startswith(f"{report} shows how far it is") and said.endswith(f"report: {report}\n")
    assert "reviews, bilstm (8 seeds, 60 texts)" in said

    browser.get(report.as_uri())
    assert browser.title == "reviews: pielab report"
    links = [link.get_attribute("href") for link in browser.find_elements("tag name", "a")]
    (pruned,) = [link for link in links if link.endswith("reviews-bilstm/IMP-FT-90/03_pies.html")]
    broken = "return [...document.images].filter(image => !image.naturalWidth).length"
    assert len(browser.find_elements("tag name", "img")) > 10 and browser.execute_script(broken) == 0
    browser.get(pruned)
    until(browser, lambda: "The answer" in browser.find_element("tag name", "body").text)
    text = browser.find_element("tag name", "body").text
    assert "of 60 test texts" in text and "all 21 parameters" in text and 'pruner = "IMP-FT"' not in text
