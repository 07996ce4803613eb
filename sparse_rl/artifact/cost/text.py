"""The cost report as text, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from sparse_rl.artifact.cost.record import NOT_AVAILABLE, Cost


def describe(cost: Cost) -> str:
    """The report as text."""
    dense = cost.bytes["dense_float32"]
    lines = ["bytes" + " " * 27 + "      smaller"]
    for name, size in cost.bytes.items():
        lines.append(f"  {name:<26}{size:>10,}  {dense / size:>8.1f}x")
    lines.append(
        f"  theoretical, {100 * cost.sparsity:.2f} % of weights zero"
        f"{cost.theoretical_ratio:>11.1f}x"
    )
    bound = cost.entropy_bound
    packed = cost.bytes["packed"]
    lines.append(
        f"  entropy bound {bound['original']:,.0f} bytes as trained (packed is "
        f"{packed / bound['original']:.2f} times that), {bound['compacted']:,.0f} as compacted "
        f"({packed / bound['compacted']:.2f})"
    )
    lines.append("latency of one action, microseconds    median       p99")
    for name, value in cost.latency.items():
        figures = f"{value.median:>9.2f} {value.p99:>9.2f}" if value else f"{NOT_AVAILABLE:>19}"
        lines.append(f"  {name:<34}{figures}")
    if cost.c_not_run:
        lines.append(f"C is not run: {cost.c_not_run}")
    lines += _figures(f"instructions per action ({cost.instruction_method})", cost.instructions, 0)
    lines.append("multiply-accumulates")
    lines += [f"  {name:<34}{n:>9,}" for name, n in cost.multiply_accumulates.items()]
    lines.append(f"energy, nanojoules per action, modelled after {cost.energy_model['source']}")
    for name in ("dense_float32", "compressed"):
        item = cost.energy_model[name]
        total = item["arithmetic"] + item["memory"]
        lines.append(f"  {name:<34}{total:>9,.1f}  (weights in {item['memory_name']})")
    lines += _figures("energy, nanojoules per action, measured (RAPL)", cost.energy_measured, 1)
    return "\n".join(lines)


def _figures(title: str, figures: Mapping[str, float | str | None], decimals: int) -> list[str]:
    """A title and a line for each figure; the title alone where none could be had."""
    if not any(isinstance(figure, float) for figure in figures.values()):
        return [title if NOT_AVAILABLE in title else f"{title}: {NOT_AVAILABLE}"]
    texts = {
        name: f"{figure:>9,.{decimals}f}" if isinstance(figure, float) else NOT_AVAILABLE
        for name, figure in figures.items()
    }
    return [title, *(f"  {name:<34}{text}" for name, text in texts.items())]
