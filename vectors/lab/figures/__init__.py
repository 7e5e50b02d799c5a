"""Pictures of what the laboratory measured; equal figures become equal files."""
