"""Medians and spreads of raw rows."""

import math
import statistics
from collections import defaultdict


class Figure:
    """A median, and the quartiles around it."""

    def __init__(self, values):
        self.values = sorted(values)
        self.median = statistics.median(self.values)
        if len(self.values) > 1:
            self.low, _, self.high = statistics.quantiles(self.values, n=4, method="inclusive")
        else:
            self.low = self.high = self.median

    @property
    def spread(self):
        """Half the distance of the quartiles, as a part of the median."""
        return (self.high - self.low) / 2 / self.median if self.median else 0.0


def collect(rows, keys, value):
    """{(key values): Figure}, a single key without the tuple."""
    groups = defaultdict(list)
    for row in rows:
        key = tuple(row[name] for name in keys)
        groups[key if len(keys) > 1 else key[0]].append(row[value])
    return {key: Figure(values) for key, values in groups.items()}


def geometric_mean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values))
