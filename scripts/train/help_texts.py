"""What the built-in model knows about the program, in whole sentences."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Help:
    """Hold one answer and the ways people ask for it; `unseen` wordings are kept for the test."""

    answer: str
    questions: tuple[str, ...]
    unseen: tuple[str, ...]


HELP = (
    Help(
        "Drag a picture onto the window, paste it, or press the picture button below the text field.",
        ("How do I add a picture?", "How can I add a picture?", "How do I show you a picture?",
         "How do I attach an image?", "How do I send an image?", "Can I add pictures?", "How to add a picture?",
         "How do I upload an image?", "How can I show you an image?", "Where do I add a picture?"),
        ("How can I attach a picture?", "How do I send you a picture?"),
    ),
    Help(
        "Think lets the model reason before it answers. It takes longer and helps with sums, puzzles and code.",
        ("What does think do?", "What is think?", "What does Think mean?", "What is the think switch?",
         "What does the think button do?", "Why should I use think?", "When should I use think?",
         "What is think mode?", "What is the difference between fast and think?", "Explain think mode."),
        ("What does the Think switch do?", "What does think mode do?"),
    ),
    Help(
        "Fast answers at once, without reasoning. Use it for simple questions and for pictures.",
        ("What does fast do?", "What is fast?", "What does Fast mean?", "What is fast mode?",
         "When should I use fast?", "What does the fast button do?", "Explain fast mode."),
        ("What does fast mode do?", "What does the Fast switch do?"),
    ),
    Help(
        "Open Models in the sidebar, choose Mistral Small 4 and press Download. It is about 74 GB.",
        ("How do I get the big model?", "How do I get the real model?", "How can I download the big model?",
         "How do I download Mistral Small 4?", "Where do I get the real model?", "How do I get a better model?",
         "How do I get Mistral Small 4?", "Where is the big model?", "How can I get the big one?",
         "How do I install the real model?"),
        ("How do I download the real model?", "How can I get the real model?"),
    ),
    Help(
        "Your chats are kept on this computer, in Solo's data folder. Nothing is sent anywhere.",
        ("Where are my chats kept?", "Where are chats stored?", "Where are my chats saved?",
         "Where do you keep my chats?", "Where is my data?", "Is my data private?", "Do you send my data anywhere?",
         "Where are the conversations stored?", "Are my chats private?", "Who can read my chats?"),
        ("Where are my conversations kept?", "Where do you store my chats?"),
    ),
    Help(
        "Open the menu at the top right and choose Export as Markdown or Export as JSON.",
        ("How do I export a chat?", "How can I export this chat?", "How do I export a conversation?",
         "How do I save a chat?", "Can I export my chats?", "How do I export?", "How to export a chat?",
         "How can I save this conversation?", "How do I get this chat as a file?"),
        ("How can I export a conversation?", "How do I save this chat?"),
    ),
    Help(
        "Press Stop or the Esc key. What has been written stays.",
        ("How do I stop an answer?", "How can I stop you?", "How do I stop?", "How can I stop an answer?",
         "Can I stop an answer?", "How do I interrupt you?", "Which key stops an answer?"),
        ("How do I stop the answer?", "How can I interrupt an answer?"),
    ),
    Help(
        "Press Ctrl+N, or the pencil button at the top of the sidebar.",
        ("How do I start a new chat?", "How do I open a new chat?", "How can I start a new chat?",
         "How do I begin a new conversation?", "Where do I start a new chat?", "How to start a new chat?"),
        ("How can I open a new chat?", "How do I start a new conversation?"),
    ),
    Help(
        "Press Ctrl+O and choose a GGUF file, or drop the file on the window.",
        ("How do I open a model?", "How do I open a model file?", "How can I load another model?",
         "How do I use my own model?", "Can I open a GGUF file?", "How do I load a model?",
         "How do I open a GGUF file?", "How can I use another model?"),
        ("How can I open a model file?", "How do I load my own model?"),
    ),
    Help(
        "I am Solo mini, the tiny model built into this program. I can name shapes, add numbers and answer "
        "questions about Solo.",
        ("Who are you?", "What are you?", "What is your name?", "Which model are you?", "What can you do?",
         "What model is this?", "Are you Mistral?", "What is Solo mini?", "Tell me about yourself.",
         "Are you the big model?", "What are you able to do?", "Are you ChatGPT?"),
        ("Which model is this?", "What can you do for me?"),
    ),
    Help(
        "Right-click the chat in the sidebar and choose Delete. You can undo it for a while.",
        ("How do I delete a chat?", "How can I delete a chat?", "How do I remove a chat?", "Can I delete a chat?",
         "How do I delete a conversation?", "How do I undo a deleted chat?"),
        ("How can I remove a conversation?", "How do I delete this chat?"),
    ),
    Help(
        "Open Settings in the sidebar and choose light, dark or the system's theme.",
        ("How do I get the dark theme?", "How do I switch to dark mode?", "Is there a dark mode?",
         "How do I change the theme?", "How can I change the colours?", "How do I get light mode?"),
        ("How can I switch to dark mode?", "How do I change to the dark theme?"),
    ),
)  # fmt: skip

GREETINGS = (
    "Hello", "Hi", "Hello!", "Hi!", "Hey", "Hi there", "Hello there", "Good morning", "Good evening", "Hey there",
    "Thanks!", "Thank you!", "Thank you", "Thanks", "Bye", "Goodbye", "Good night", "See you", "Bye!",
    "Thank you so much",
)  # fmt: skip
GREETING_ANSWERS = ("Hello! I am Solo mini, the tiny built-in model. What can I do for you?",)

FALLBACKS = ("I am only the tiny built-in model and don't know that. Open Models in the sidebar to get the real one.",)

STRANGE_QUESTIONS = (
    "What is the capital of France?", "Write a poem about {word}.", "Write a Python function for {word}.",
    "Who was {name}?", "Tell me a joke.", "Explain quantum physics.", "What is the meaning of life?",
    "Translate {word} into German.", "How old is the universe?", "What is the weather today?",
    "Write an essay about {word}.", "What is a {word}?", "Why is the sky blue?", "Who won the match yesterday?",
    "Summarise the history of Rome.", "What is {word} made of?", "Can you write code?", "Fix this program for me.",
    "Give me a recipe for {word}.", "Plan a trip to Lisbon.", "What happened in 1989?", "Who wrote Faust?",
    "How do I cook {word}?", "What does {word} mean?", "Tell me about {word}.", "Is {word} healthy?",
    "Write a letter to {name}.", "What is the square root of 17?", "Solve this equation for me.", "What time is it?",
    "How far is the moon?", "Who is the president?", "Which {word} is best?", "Do you like {word}?", "Sing a song.",
    "Explain {word} to a child.", "What is machine learning?", "How does a {word} work?", "Write a story about {name}.",
    "Compare {word} and tea.", "How many people live in Berlin?", "Where is {name}?", "Draw a {word}.",
    "What is {n} * {n}?", "{n} - {n}", "What is {n} minus {n}?", "How much is {n} times {n}?", "{n} / {n}",
    "What is {n} divided by {n}?", "Subtract {n} from {n}.", "Multiply {n} and {n}.", "Is {n} a prime number?",
    "Translate {word} to French.", "Who invented the {word}?", "Which language is spoken in Brazil?",
    "Can you help me with my homework?", "What do you think about {word}?", "How do I bake bread?", "Who made you?",
    "What is love?", "Recommend a book about {word}.", "What is the news?", "Define {word}.", "Name five {word}s.",
)  # fmt: skip
