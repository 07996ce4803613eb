"""A peer that needs no library: every step takes a millisecond. Run by the tests as a process."""

import time

from benchmarks.peers.conversation import Advance, Order, serve


def prepare(order: Order) -> Advance:
    print("a library that talks")
    if order.algorithm == "dqn":
        raise ValueError("no such game")

    def advance(steps: int) -> None:
        if steps > 10_000:
            raise ValueError("too many steps")
        time.sleep(steps / 1000)

    return advance


if __name__ == "__main__":
    serve(prepare, ())
