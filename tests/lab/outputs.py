"""Three hundred outputs of all the kinds that models write: several numbers, none, dollars, commas, forms
half met.
"""

import random

NUMBERS = ("18", "1,234", "$70,000", "-5", "3.50", "0", "12.", "$8.00", "1,000,000", "7/8", "-$4", "..", "$")
FORMS = (
    "#### {}",
    "####{}",
    "### {}",
    "The answer is {}.",
    "The answer is {}",
    "The answer is: {}.",
    "the answer is {}.",
    "So she pays {} in all.",
    "{} + {} = <<{}+{}={}>>{}",
    "The answer is ({}).",
    "Answer:\n{}",
)
LETTERS = (
    "The answer is ({}).",
    "the answer is {}",
    "answer is ({}",
    "The answer: {}",
    "answer is {}, not {}.",
)
WORDS = ("First,", "then", "there are", "apples", "\n", "\n\n", "—", "#### ", "Q", "and so on")
ANSWERS = (
    "It is 9 * 2 = 18.\n#### 18",
    "#### 1,234",
    "#### 70000",
    "#### -5",
    "#### 3.5",
    "#### 0",
    "#### 1000000",
)


def outputs(count: int = 300, seed: int = 7) -> list[str]:
    """So many texts; the same for the same seed."""
    draw = random.Random(seed)

    def part() -> str:
        kind = draw.random()
        if kind < 0.45:
            form = draw.choice(FORMS)
            return form.format(*(draw.choice(NUMBERS) for _ in range(form.count("{}"))))
        if kind < 0.7:
            form = draw.choice(LETTERS)
            return form.format(*(draw.choice("ABEJKZab") for _ in range(form.count("{}"))))
        return draw.choice(WORDS)

    return [
        draw.choice((" ", "\n", "")).join(part() for _ in range(draw.randint(0, 7))) for _ in range(count)
    ]
