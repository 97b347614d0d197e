"""The numbers that datasets are made with, and the error that says which one is out of range."""


def at_least(owner: str, least: int, **numbers: int) -> None:
    """Raise unless every number is whole and not below `least`; the names go in the message.

    Raises:
        TypeError: a number is not an int.
        ValueError: a number is too small.
    """
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool):
            raise TypeError(f"{owner}: {name} must be a whole number; it is {number!r}.")
        if number < least:
            raise ValueError(f"{owner}: {name} must be {least} or more; it is {number}.")


def in_order(owner: str, **numbers: int) -> None:
    """Raise unless the numbers, in the order given, do not fall.

    Raises:
        ValueError: a number is greater than the next one.
    """
    names, values = list(numbers), list(numbers.values())
    if values != sorted(values):
        found = " and ".join(f"{name} = {value}" for name, value in numbers.items())
        raise ValueError(f"{owner}: {' <= '.join(names)} is expected; these are {found}.")
