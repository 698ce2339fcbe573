"""What the pages share."""

from digitflow.app.widgets import to_markdown


def test_text_of_people_is_no_markup():
    assert to_markdown("![x](http://a) <b>") == r"\!\[x\]\(http\:\/\/a\) \<b\>".replace(
        r"\/", "/"
    )


def test_commands_in_our_errors_stay_code():
    assert to_markdown("`digitflow train` makes one.") == "`digitflow train` makes one\\."
    assert "`" not in to_markdown("a ` alone").replace("\\`", "")
