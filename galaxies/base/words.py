"""Counts in sentences."""


def many(count: int, noun: str, nouns: str = "") -> str:
    """Return a count and its noun.

    Parameters
    ----------
    count : int
        How many.
    noun, nouns : str
        What, of one and of several; by default with an s, or ies for y.

    Returns
    -------
    str

    Examples
    --------
    >>> many(1, "galaxy"), many(2000, "galaxy"), many(0, "person", "people")
    ('1 galaxy', '2,000 galaxies', '0 people')
    """
    if count == 1:
        return f"1 {noun}"
    if not nouns:
        nouns = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {nouns}"
