import subprocess
import sys


def test_the_report_needs_no_jax_and_nothing_of_training() -> None:
    program = (
        "import sys, sparse_rl.report.__main__, sparse_rl.runs.event_files\n"
        "rooms = {m.split('.')[1] for m in sys.modules if m.startswith('sparse_rl.')}\n"
        "training = {'agents', 'checkpoints', 'envs', 'networks', 'population', 'study'}\n"
        "print('report' in rooms, rooms & training, {'jax', 'flax'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "True set() set()", done.stderr
