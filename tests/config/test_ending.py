"""How commands end."""

import pytest

from sparse_rl.config.ending import ending


def test_an_interrupted_command_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        ending(stopped, "interrupted: the soup is kept")
    assert end.value.code == 130
    assert capsys.readouterr().err == "\ninterrupted: the soup is kept\n"
