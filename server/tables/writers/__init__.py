"""Write the rows of tables: as text, as Arrow and Parquet, and as an Excel workbook."""
