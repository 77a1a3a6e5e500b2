"""OData v4 over the tables, for tools that speak it: Excel, Power BI, Tableau."""
