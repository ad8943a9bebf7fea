"""What a model may ask for: tools as values, their schemas, their loading from agents/, and the checking of arguments.

The generated tools (hand_over, transfer_to_human, answer_question, end_call; collect_digits for agents that name it)
are made here from a scenario's words.
"""
