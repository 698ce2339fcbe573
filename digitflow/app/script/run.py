"""What Streamlit runs, in a folder of its own: `pages` beside it would be taken for scripts."""

from digitflow.app.main import main

if __name__ == "__main__":
    main()
