"""The page: Streamlit, controls and drawing. Holds no maths."""
