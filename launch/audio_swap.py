"""`attavvad audio-swap` with absl flags."""

from launch import app

if __name__ == "__main__":
  app.run("audio-swap")
