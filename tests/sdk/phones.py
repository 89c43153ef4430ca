"""E.164 digits by another phone library, for the oracle. Lines `country<TAB>number` in, digits or nothing out."""

import sys

import phonenumbers

for line in sys.stdin:
    country, number = line.rstrip("\n").split("\t")
    number = number.strip().removeprefix("tel:")
    if number.startswith("00"):  # design, section 6: a leading 00 is a +
        number = "+" + number[2:]
    digits = ""
    try:
        if number.startswith("+") or country:
            parsed = phonenumbers.parse(number, country or None)
            good = phonenumbers.is_possible_number(parsed)
        else:  # without any country the digits count only if they are a valid number
            parsed = phonenumbers.parse("+" + number, None)
            good = phonenumbers.is_valid_number(parsed)
        if good:
            digits = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)[1:]
    except phonenumbers.NumberParseException:
        pass
    print(digits)
