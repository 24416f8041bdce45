"""What pocket talks about: a closed domain of questions and answers, drawn from seeds."""
