"""What a person sees while a study is trained, and what a program is told of it."""
