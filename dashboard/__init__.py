"""The dashboard: Streamlit pages, controls and drawing. Contains no maths."""
