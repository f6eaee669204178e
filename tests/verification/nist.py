"""NIST StRD linear regression sets: data and certified values, typed in as facts (itl.nist.gov/div898/strd/lls)."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Certified:
    """A data set with its certified coefficients, their standard errors, the residual SD and R^2."""

    name: str
    columns: np.ndarray
    y: np.ndarray
    coefficients: list[float]
    errors: list[float]
    residual_sd: float
    r_squared: float
    intercept: bool = True


_NORRIS = """
0.1 0.2 338.8 337.4 118.1 118.2 888.0 884.6 9.2 10.1 228.1 226.5 668.5 666.3 998.5 996.3 449.1 448.6 778.9 777.0
559.2 558.2 0.3 0.4 0.1 0.6 778.1 775.5 668.8 666.9 339.3 338.0 448.9 447.5 10.8 11.6 557.7 556.0 228.3 228.1
998.0 995.8 888.8 887.6 119.6 120.2 0.3 0.3 0.6 0.3 557.6 556.8 339.3 339.1 888.0 887.2 998.5 999.0 778.9 779.0
10.2 11.1 117.6 118.3 228.9 229.2 668.4 669.1 449.2 448.9 0.2 0.5
"""
_LONGLEY = """
60323 83.0 234289 2356 1590 107608 1947   61122 88.5 259426 2325 1456 108632 1948
60171 88.2 258054 3682 1616 109773 1949   61187 89.5 284599 3351 1650 110929 1950
63221 96.2 328975 2099 3099 112075 1951   63639 98.1 346999 1932 3594 113270 1952
64989 99.0 365385 1870 3547 115094 1953   63761 100.0 363112 3578 3350 116219 1954
66019 101.2 397469 2904 3048 117388 1955   67857 104.6 419180 2822 2857 118734 1956
68169 108.4 442769 2936 2798 120445 1957   66513 110.8 444546 4681 2637 121950 1958
68655 112.6 482704 3813 2552 123366 1959   69564 114.2 502601 3931 2514 125368 1960
69331 115.7 518173 4806 2572 127852 1961   70551 116.9 554894 4007 2827 130081 1962
"""
_ROUGHNESS = [759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048,
              -2048, 1838, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 759]  # fmt: skip
_WAMPLER_ERRORS = [2152.32624678170, 2363.55173469681, 779.343524331583, 101.475507550350, 5.64566512170752,
                   0.112324854679312]  # fmt: skip


def norris() -> Certified:
    pairs = np.array(_NORRIS.split(), dtype=float).reshape(-1, 2)
    return Certified(
        "Norris", pairs[:, 1:], pairs[:, 0],
        [-0.262323073774029, 1.00211681802045], [0.232818234301152, 0.429796848199937e-03],
        0.884796396144373, 0.999993745883712,
    )  # fmt: skip


def longley() -> Certified:
    rows = np.array(_LONGLEY.split(), dtype=float).reshape(-1, 7)
    return Certified(
        "Longley", rows[:, 1:], rows[:, 0],
        [-3482258.63459582, 15.0618722713733, -0.358191792925910e-01, -2.02022980381683, -1.03322686717359,
         -0.511041056535807e-01, 1829.15146461355],
        [890420.383607373, 84.9149257747669, 0.334910077722432e-01, 0.488399681651699, 0.214274163161675,
         0.226073200069370, 455.478499142212],
        304.854073561965, 0.995479004577296,
    )  # fmt: skip


def wampler() -> list[Certified]:
    """Polynomials of degree 5 over x = 0 to 20, without and with ever larger roughness."""
    x = np.arange(21.0)
    powers = np.column_stack([x**power for power in range(1, 6)])
    exact = 1 + powers.sum(axis=1)
    tenths = 0.1 ** np.arange(6)
    sets = [
        Certified("Wampler1", powers, exact, [1.0] * 6, [0.0] * 6, 0.0, 1.0),
        Certified("Wampler2", powers, 1 + powers @ tenths[1:], tenths.tolist(), [0.0] * 6, 0.0, 1.0),
    ]
    for name, size, r_squared in (
        ("Wampler3", 1, 0.999995559025820), ("Wampler4", 100, 0.957478440825662),
        ("Wampler5", 10_000, 0.224668921574940e-02),
    ):  # fmt: skip
        errors = [size * error for error in _WAMPLER_ERRORS]
        y = exact + size * np.array(_ROUGHNESS, dtype=float)
        sets.append(Certified(name, powers, y, [1.0] * 6, errors, size * 2360.14502379268, r_squared))
    return sets


def no_intercept() -> list[Certified]:
    return [
        Certified(
            "NoInt1", np.arange(60.0, 71.0)[:, np.newaxis], np.arange(130.0, 141.0),
            [2.07438016528926], [0.165289256198347e-01], 3.56753034006338, 0.999365492298663, intercept=False,
        ),
        Certified(
            "NoInt2", np.array([[4.0], [5.0], [6.0]]), np.array([3.0, 4.0, 4.0]),
            [0.727272727272727], [0.420827318078432e-01], 0.369274472937998, 0.993348115299335, intercept=False,
        ),
    ]  # fmt: skip
